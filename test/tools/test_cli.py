"""The command line and its outputs."""

import json
import os
import signal
import subprocess
import sys

from support.programs import bharnet, refused

CLI = ('-m', 'bharnet_ros.tools.cli')


def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word():
    read, write = os.pipe()
    os.close(read)
    found = subprocess.run(
        [sys.executable, *CLI, 'info'], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (found.returncode, found.stderr) == (128 + signal.SIGPIPE, b'')


def test_a_command_works_without_an_output():
    found = subprocess.run(
        ['sh', '-c', '"$0" -m bharnet_ros.tools.cli info >&-', sys.executable],
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, b'')


def test_a_command_line_without_a_command_shows_those_there_are():
    refused()
    assert '{run,studio,teach,doctor,bench,soak,explain,echo,set,recover,info}' in bharnet()[2]


def test_info_prints_the_contract_as_json(model):
    status, output, _ = bharnet('info', model, '--json')
    assert status == 0
    found = json.loads(output)
    assert found['labels'] == ['-', 'hand_up'] and found['file'] == str(model)
    assert found['window_seconds'] == 1.0


def test_info_refuses_what_is_no_model(tmp_path):
    (tmp_path / 'a.onnx').write_bytes(b'')
    assert 'a.onnx' in refused('info', tmp_path / 'a.onnx')
