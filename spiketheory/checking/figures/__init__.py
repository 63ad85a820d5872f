"""Pictures of what checks find, and of where spikes only shift."""
