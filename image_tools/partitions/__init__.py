"""Reading partition tables: MBR with logical partitions, GPT, hybrid MBR, or none."""

from image_tools.partitions.model import Partition, PartitionTable, Scheme, notices_past_end
from image_tools.partitions.table import read_table

__all__ = ["Partition", "PartitionTable", "Scheme", "notices_past_end", "read_table"]
