"""`make bench`: our service and its peers, in turn, on one machine, in one run."""
