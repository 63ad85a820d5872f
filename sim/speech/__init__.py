"""Speech: recordings to spikes, and data sets of spikes."""
