"""Work that is spread over processes and machines by Dask, with the same numbers on any of them."""
