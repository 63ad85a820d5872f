"""Networks that learn in time: dense layers, some recurrent, whose spike trains are read."""
