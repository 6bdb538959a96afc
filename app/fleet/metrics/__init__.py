"""What is measured: which metrics there are, where their numbers lie, and how a page is made of them.

A new metric is a line in register.py; if every request moves it, one in moves.py; if it is measured at the scrape, in
scrape.py. Which row of numbers (series.py) a process moves, rows.py knows.
"""
