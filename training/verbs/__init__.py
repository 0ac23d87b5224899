"""What bharnet-train can do, a module for each kind of verb."""
