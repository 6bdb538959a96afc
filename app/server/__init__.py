"""The HTTP server under gunicorn: from the kernel's queue to the application and back, and nobody waits for a client.

gunicorn forks the workers and replaces them; what happens in one stands here. Each has two threads. The serving one
runs a loop (loop.py) over the sockets that all workers share (door.py) and its own clients (clients.py, connection.py):

    kernel's queue → accept, only while idle → read what is there → parse (parser.py, environ.py)
      → whole? still there? in time? → application (crew.py, gateway.py) → send what the socket takes → keep or close

How long a request has waited is what the kernel tells (arrival.py). Who has waited too long (admission.py) is told so
by whoever takes him up: at the door (shedding.py), where he has sent all in one piece. Nothing in it blocks. A request
reaches the application whole or not at all, so a client that sends or reads slowly costs a descriptor and what it sent,
for as long as terms.py says; then it is told 408, or hung up on. What never reaches the application is answered in
refusals.py, a proxy's word about its client is read in proxied.py.

The main thread is the attendant (worker.py): it hears signals, beats for the serving one while that is young at its
present request (watch.py), and serves probes and metrics at an address of their own. While the serving thread is longer
at a request than 20 ms, and another of its clients wants something, the attendant stands in (shift.py): it reads,
writes and gives up, and what has come whole it passes to a worker that is free (siblings.py). Once that has lasted it
looks through the kernel's queue, too, for probes and for those who are too late (sorting.py). Between two calls of the
kernel a long request looks up (watch.py) whether its client has gone, its time is over, or the worker has to end.

llhttp (httptools) parses the bytes, in C; gunicorn's own parsers are Python.

On two cores of a Xeon with AMX, ten workers, ten healthy clients (`make chaos ARGS='slow busy'`): beside 200 slow ones
their p99 is 46 ms, in calm 44; beside a request that hangs 49, in calm 44, and its worker is replaced 0.4 s after
BERT_TIMEOUT_S; while all ten compute, probes take 30 ms at most. Of ten times as many requests as can be answered, on
one core, 86 % (22 tokens) to 92 % (100) of the peak are (`make bench-overload`).
"""
