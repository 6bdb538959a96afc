"""Files of texts to a folder of Parquet parts, on the cores of all machines of a Ray cluster.

    files, folders, s3://… → inputs.py → cut.py (tasks count lines) → plan.py: numbered shards, kept in the folder
      → run.py gives them to actors, one a core (actor.py): read (shard_texts.py), encode, write (part.py, storage.py)

A shard is a range of one file and becomes one part, whose bytes depend on nothing but the plan: so whoever is killed,
actor, machine or driver, a shard is done again or it is done, and no line is lost or there twice.

    FOLDER/part-00042.parquet             id, vector, and the text if it is asked for; in the order of the lines
    FOLDER/_plan.json                     inputs, what the bytes depend on, shards
    FOLDER/_done/00042.json               written last: that part's hash, and what is in it
    FOLDER/_begun/00042.0                 while it runs: a shard was begun, so that one that kills is not tried for ever
    FOLDER/_rejected/part-00042.jsonl     lines without a vector, with the reason; only where there are any
    FOLDER/_manifest.jsonl                all of _done, once nothing is missing

What reads a folder of Parquet leaves out names that begin with "_".
"""
