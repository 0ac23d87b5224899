"""Arguments of the launch files, made of the dataclasses that hold them."""

from typing import Any

from bharnet_ros.system.settings import settings_of


def launch_arguments(config: type, **defaults: str) -> list[dict[str, Any]]:
    """Return the keyword arguments of `DeclareLaunchArgument` for each setting of a dataclass.

    `defaults` stand in for those that are known only where the package is installed.
    """
    found = []
    for setting in settings_of(config):
        choices = ('true', 'false') if setting.kind is bool else setting.choices
        allowed = {'choices': [str(choice) for choice in choices]} if choices else {}
        found.append(
            {
                'name': setting.name,
                'default_value': defaults.get(setting.name, setting.default_text),
                'description': setting.help,
                **allowed,
            }
        )
    return found
