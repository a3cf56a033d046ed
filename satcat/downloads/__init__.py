"""Downloads: what people want (`queue`), who fetches it (`worker`), and whether it is still right (`check`).

The table `downloads` is the queue; people may fill it by plain SQL. Any number of workers, in any number of processes,
share it: a row is claimed under a lease, and a worker that lost its claim can write nothing more.
"""
