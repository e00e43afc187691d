"""What a run will need: work, time, memory and disk of every stage, before anything runs."""
