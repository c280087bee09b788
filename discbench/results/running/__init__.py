"""What runs now, as a store tells it: a small file for each cell that is trained, and a view of all of them."""
