import polars as pl

from instructkit.build.split_files import write_split_files
from instructkit.stages.export.parquet import ExportParquet


def test_documents_and_examples_come_back_as_they_were(tmp_path, documents, examples):
    stage = ExportParquet()
    for name, shard in {"d": documents("x", "y"), "e": examples([("user", "q"), ("assistant", "a")])}.items():
        (file,) = write_split_files([stage.apply(shard).kept], tmp_path / name, stage).values()
        assert file.name == "all.parquet"
        assert pl.read_parquet(tmp_path / name / "all.parquet").equals(shard)
