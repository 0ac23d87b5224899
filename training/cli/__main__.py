"""`python -m bharnet_ros.training.cli`, the same as the command bharnet-train."""

from . import main

main()
