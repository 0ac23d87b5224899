"""bharnet-train, or one line that says what to install."""

from bharnet_ros.system.parts import TRAINING, run_program


def main() -> None:
    """Run the command line, which needs PyTorch even for its help."""
    run_program('bharnet_ros.training.cli', TRAINING)


if __name__ == '__main__':
    main()
