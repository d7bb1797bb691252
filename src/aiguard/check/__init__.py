"""What can be wrong with policies: in the file, in the environment, and in how they fit the code."""

from aiguard.check.finding import Finding
from aiguard.check.importing import UncheckableError
from aiguard.check.report import Report, check
from aiguard.check.rules import RULES, Rule, Severity

__all__ = ["RULES", "Finding", "Report", "Rule", "Severity", "UncheckableError", "check"]
