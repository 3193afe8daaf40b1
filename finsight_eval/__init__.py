"""FinSight's ground floor: the answer contract, the scorer, the statistics, the gate and the report.

Importing it needs neither torch nor transformers nor lm_eval; it imports no other package of this project.
"""

__version__ = "0.1.0"

#: Version of the answer contract (prompt, schema, labels, parser). It is part of every manifest: figures made under
#: different contracts are never compared.
CONTRACT = 1
