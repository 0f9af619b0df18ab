"""The stage that mixes sources, tasks or templates by plan: caps, shares, and how often each row comes up."""
