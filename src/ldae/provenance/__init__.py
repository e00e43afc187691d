"""How each file of a run was made, and whether it still is what was made.

**Where it stands.** Beside every file that a stage writes, in the hidden folder `.provenance`, lies
the record of how it was made: `tables/.provenance/downstream.csv.json` belongs to
`tables/downstream.csv`. It travels with the folder, is written by the job itself (also by hand and
for a single target), and needs no lock, since a file has one job. `provenance.json`, written last,
gathers all records of the run.

**Why not in the files.** The bytes of tables and weights are their identity: Snakemake leaves alone
what depends on a file that was rewritten with the same checksum, and trainings and inversions carry
their inputs' SHA-256 in their fingerprints. A commit, or the hash of an input that changed without
consequence, inside `scans.parquet` or the weights would make days of training run again for
nothing. So these files hold results alone, and the same configuration gives the same bytes under
any commit. `models/*/config.json`, on which nothing depends, says it too.

**What is noted.** The command line watches the stage that it runs (`recording`). Written: what
appears through `runtime.atomic_path` under a name that the command gives. Read: files that the
command names, and what shared readers report (`runtime.note_read`: tables, models, others'
weights), hashed when they are read. Settings: the slice that the stage got, and its hash.

**Files of scans**, thousands in number, have no records of their own: the record of the table that
lists them holds size, time and SHA-256 of each (`behind`). Raw downloads are not hashed: what was
taken from them is, after conversion.
"""
