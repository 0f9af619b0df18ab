"""How good a reply is: measures over replies and expected answers, each a function of sums over examples."""
