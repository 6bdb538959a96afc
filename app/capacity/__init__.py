"""How many machines a load takes: this one is measured for ten seconds, the rest is computed from that.

    texts.py      texts of so many tokens, by the service's own tokenizer
    fleet.py      a fleet of this machine, for the measurement alone: `serve-bert` as it serves
    clients.py    processes that ask it over loopback, as much as it can answer, and half as much
    measured.py   what they saw: processor time a request, how long each took, memory, bytes
    queueing.py   what a client waits, from that: requests that come at random, each to one worker
    forecast.py   replicas, memory, and what binds first

What is measured is the whole way, from bytes to bytes, with every core at work at once, so that what cores have in
common (caches, clock, memory) is in it. Requests/s come of processor time, so the clients' part does not count; waiting
comes of times by the clock at half of the load, where a core that idles takes longer to begin.
"""
