"""Near-duplicate removal with other libraries: programs `IN.jsonl OUT.jsonl --threshold T`, as short as can be.

All compare 5-word shingles of the lower-cased text by 128 permutations in 16 bands of 8 rows, keep the first of what is
alike, and write the kept lines unchanged. They run in environments of their own, so they import nothing of ours but
`lines`. Their names are not those of the libraries, which could not be imported beside them otherwise.
"""
