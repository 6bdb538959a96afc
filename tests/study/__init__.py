"""`make study`: the study's five ways of holding a model, and ours, measured as the study did."""
