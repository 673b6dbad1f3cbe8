"""What `pip install` gives: a user of the wheel would lose whatever lies in the repository alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = [
    *(f"lib_ti/demo/{name}" for name in ("demo.safetensors", "demo-xl.safetensors", "pictures/01.png")),
    *(f"lib_ti/adapters/standalone/configs/{family}.json" for family in ("sd1", "sd2", "sdxl")),
    *("lib_ti/dataset/templates/subject.txt", "lib_ti/ui/page/style.css", "lib_ti/ui/page/javascript/ti_lab.js"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    [built] = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_what_is_no_code_too_and_nothing_at_its_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert set(NEEDED) <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"lib_ti"}
    [entry_points] = [name for name in names if name.endswith("entry_points.txt")]
    assert "ti-lab = lib_ti.cli.main:main" in zipfile.ZipFile(wheel).read(entry_points).decode()


@pytest.mark.slow
def test_out_of_the_wheel_alone_a_demo_runs_and_the_tab_finds_its_script_and_style(wheel: Path, tmp_path: Path) -> None:
    package, work = tmp_path / "package", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(package)
    work.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}

    def run(code: str) -> None:
        command = [sys.executable, "-P" if sys.version_info >= (3, 11) else "-B", "-c", code]
        result = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    here = f"import lib_ti; assert lib_ti.__file__.startswith({str(package)!r}), lib_ti.__file__; "
    run(here + "from lib_ti.cli.main import main; raise SystemExit(main(['demo', '--steps', '2', '--out', 'demo']))")
    assert (work / "demo" / "summary.json").is_file()
    run(here + "from lib_ti.ui.serve import PAGE; assert (PAGE / 'javascript' / 'ti_lab.js').is_file()")
