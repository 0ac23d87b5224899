"""Where the files of the package are."""

import os
import subprocess
import sys


def test_shipped_models_are_found_without_a_ros_environment():
    env = {name: value for name, value in os.environ.items() if name != 'AMENT_PREFIX_PATH'}
    code = 'from bharnet_ros.inference.model import find_model; print(find_model("asl_words"))'
    done = subprocess.run([sys.executable, '-c', code], env=env, text=True, capture_output=True)
    assert done.stdout.strip().endswith('models/asl_words.onnx'), done.stderr
