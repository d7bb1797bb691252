"""What an answer must satisfy, and the gates that hold it to that."""

from aiguard.contract.breach import Breach
from aiguard.contract.judge import Judge
from aiguard.contract.output import OutputContract

__all__ = ["Breach", "Judge", "OutputContract"]
