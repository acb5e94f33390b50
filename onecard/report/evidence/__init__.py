"""The data of a report: the records of one side, their files, their noise."""
