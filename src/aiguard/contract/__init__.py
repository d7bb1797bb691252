"""What an answer must satisfy, and the gates that hold it to that."""

from aiguard.contract.breach import Breach
from aiguard.contract.json_schema import JsonSchema
from aiguard.contract.judge import Judge
from aiguard.contract.output import OutputContract

__all__ = ["Breach", "JsonSchema", "Judge", "OutputContract"]
