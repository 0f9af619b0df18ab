"""The stage that divides the data into training, validation and test, in whole groups."""
