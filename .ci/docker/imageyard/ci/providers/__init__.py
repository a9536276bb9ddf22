"""CI systems that run the jobs: what each knows of a run, and how each is answered."""
