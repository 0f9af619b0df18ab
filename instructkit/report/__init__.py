"""What a build says of itself: tables, traces, differences."""
