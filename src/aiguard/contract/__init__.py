"""What an input and an answer must satisfy, and what holds them to that."""

from aiguard.contract.breach import Breach
from aiguard.contract.features import Array, Features
from aiguard.contract.input import InputContract
from aiguard.contract.input_judge import InputJudge
from aiguard.contract.json_schema import JsonSchema
from aiguard.contract.judge import Judge
from aiguard.contract.output import OutputContract
from aiguard.contract.rates import ContractRates
from aiguard.contract.response import inspected, usage_of
from aiguard.contract.rules import OneOf, Range, Text
from aiguard.contract.watch import Watch

__all__ = [
    "Array",
    "Breach",
    "ContractRates",
    "Features",
    "InputContract",
    "InputJudge",
    "JsonSchema",
    "Judge",
    "OneOf",
    "OutputContract",
    "Range",
    "Text",
    "Watch",
    "inspected",
    "usage_of",
]
