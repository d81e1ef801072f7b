"""The storage's URL: what it may be, what errors show of it, and that reading writes nothing."""

import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from autotp.errors import EnvironmentFailure, InputError, StudyError
from autotp.tuning.study import sqlite_file
from autotp.tuning.study.storage_url import check_storage, open_storage, public_url, study_names, using_storage
from tests.support.interrupts import press_ctrl_c, receive

NAMES = (
    "{1}",
    "}",
    "{",
    "%ac",
    "%20",
    "what?",
    "a#b",
    "a b",
    "it's",
    'say "x"',
    "two\nlines",
    "é",
    "b\udce4d",
    ":m:",
)
SECRETS = (
    "postgresql://ann:hunter2@host:5432/db",
    "postgresql://host/db?user=ann&password=hunter2",
    "postgresql+psycopg2://ann:p%40hunter2@host/db?sslmode=require",
    "mysql://ann:hunter2@host/db",
    "postgresql://ann:hunter2@host:port/db",
    "ann:hunter2@host",
)


@pytest.mark.parametrize("url", SECRETS)
def test_a_public_url_has_no_user_and_no_password(url: str) -> None:
    """Wherever the URL holds them, neither is in what is shown."""
    shown = public_url(url)
    assert "hunter2" not in shown
    assert "ann" not in shown


def test_a_public_url_still_says_where() -> None:
    """Driver, host, port and database stay."""
    assert public_url("postgresql://ann:x@host:5432/db") == "postgresql://host:5432/db"
    assert public_url("sqlite:////data/study.db") == "sqlite:////data/study.db"


@pytest.mark.parametrize("url", [*SECRETS, "nonsense", "", "foo://x", "sqlite+nodriver:///x.db"])
@pytest.mark.parametrize("ask", [study_names, check_storage, open_storage])
def test_a_url_that_cannot_be_used_is_bad_input(url: str, ask: type) -> None:
    """No scheme, an unknown or missing driver, a port that isn't a number: exit code 2, and no password shown."""
    with pytest.raises(InputError) as raised:
        ask(url)
    assert raised.value.exit_code == 2
    assert "hunter2" not in str(raised.value)


def test_a_file_to_be_made_holds_no_studies_and_is_not_made(tmp_path: Path) -> None:
    """Listing the studies of a SQLite file that doesn't exist leaves the folder as it was."""
    assert study_names(f"sqlite:///{tmp_path / 'new.db'}") == ()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_no_folder_is_a_failed_environment(tmp_path: Path) -> None:
    """A SQLite file whose folder is missing can't be made: exit code 5, the folder is named."""
    with pytest.raises(EnvironmentFailure, match="gone") as raised:
        study_names(f"sqlite:///{tmp_path / 'gone' / 'x.db'}")
    assert raised.value.exit_code == 5


def test_a_file_that_is_no_database_is_a_failed_environment(tmp_path: Path) -> None:
    """A file of another kind can't be opened as a storage: exit code 5, and it stays as it was."""
    path = tmp_path / "x.db"
    path.write_text("not a database " * 100)
    with pytest.raises(EnvironmentFailure) as raised:
        study_names(f"sqlite:///{path}")
    assert raised.value.exit_code == 5
    assert path.read_text() == "not a database " * 100


def test_checking_a_missing_file_names_it(tmp_path: Path) -> None:
    """A storage that is to be read but isn't there is a StudyError, and no file is made."""
    with pytest.raises(StudyError, match=r"x\.db"):
        check_storage(f"sqlite:///{tmp_path / 'x.db'}")
    assert list(tmp_path.iterdir()) == []


def test_errors_are_for_people() -> None:
    """Every error about a URL is one sentence on one line."""
    for url, words in (
        ("foo://x", "The storage URL foo://x names a kind of database that SQLAlchemy"),
        ("nonsense", "The storage URL given can't be understood"),
        ("sqlite+nodriver:///x.db", r"The storage URL sqlite\+nodriver:///x\.db names a kind of database that"),
    ):
        with pytest.raises(InputError, match=rf"^{words}[^\n]*\.$"):
            study_names(url)


def test_a_driver_that_is_not_installed_is_reported() -> None:
    """SQLAlchemy knows the driver that the URL names, but it isn't installed."""
    with (
        pytest.raises(InputError, match=r"^The driver of the storage URL x://y isn't installed\.$"),
        using_storage("x://y"),
    ):
        raise ImportError("No module named 'x'")


def test_ctrl_c_waits_for_the_end_of_a_write() -> None:
    """A first SIGINT interrupts after the storage is done, within nested uses too; then all is as before."""
    before, steps = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), using_storage("sqlite://"):
        with using_storage("sqlite://"):
            press_ctrl_c()
            steps.append("inner")
        steps.append("outer")
    assert steps == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_wait() -> None:
    """Should the storage hang, the second SIGINT gets through."""
    steps = []
    with pytest.raises(KeyboardInterrupt), using_storage("sqlite://"):
        press_ctrl_c()
        steps.append("first")
        press_ctrl_c()
        steps.append("second")
    assert steps == ["first"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_other_signals_wait_however_many_come(number: int) -> None:
    """They are sent twice at times, and a write isn't interrupted by the second one either."""
    steps, before = [], signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), using_storage("sqlite://"):
            receive(number)
            receive(number)
            steps.append("end")
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert steps == ["end"]


def test_storages_are_used_from_other_threads(tmp_path: Path) -> None:
    """Only the main thread can defer signals; others use the storage all the same."""
    found: list[tuple[str, ...]] = []
    open_storage(f"sqlite:///{tmp_path / 'x.db'}")
    thread = threading.Thread(target=lambda: found.append(study_names(f"sqlite:///{tmp_path / 'x.db'}")))
    thread.start()
    thread.join()
    assert found == [()]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    """Neither Optuna, which formats URLs, nor SQLAlchemy, which parses them, sees the name of a file."""
    folder = tmp_path / name
    folder.mkdir()
    place = folder / name
    optuna.create_study(study_name="s", storage=open_storage(place))
    assert study_names(place) == ("s",)
    check_storage(place)
    assert [path.name for path in folder.iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("written", "name"), [("{1}", "{1}"), ("}", "}"), ("{{1}}", "{1}"), ("{a.b}", "{a.b}")])
def test_braces_in_a_url_are_read_as_optuna_reads_them_where_it_can(
    written: str, name: str, tmp_path: Path
) -> None:
    """Doubled braces are single ones; what Optuna couldn't format stands for itself."""
    url = f"sqlite:///{tmp_path}/{written}"
    optuna.create_study(study_name="s", storage=open_storage(url))
    assert study_names(url) == ("s",)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_schema_version_in_a_url_is_filled_in(tmp_path: Path) -> None:
    """A file named after Optuna's schema is found again."""
    url = f"sqlite:///{tmp_path}/{{SCHEMA_VERSION}}.db"
    optuna.create_study(study_name="s", storage=open_storage(url))
    assert study_names(url) == ("s",)


def test_a_query_that_cannot_be_understood_is_bad_input(tmp_path: Path) -> None:
    """A timeout that isn't a number: exit code 2, in one sentence."""
    with pytest.raises(InputError, match=r"^The query of the storage URL .* can't be understood\.$"):
        open_storage(f"sqlite:///{tmp_path}/x.db?timeout=long")


@pytest.mark.parametrize("revision", ["older", "v99"])
@pytest.mark.parametrize("ask", [study_names, check_storage, open_storage])
def test_tables_of_another_optuna_come_with_optunas_own_cure(revision: str, ask: type, tmp_path: Path) -> None:
    """An older or a newer schema: exit code 2, one line, which holds what Optuna says."""
    place = tmp_path / "study.db"
    storage = open_storage(place)
    older = next(known for known in storage.get_all_versions() if known != storage.get_head_version())
    with closing(sqlite3.connect(place)) as database, database:
        database.execute(
            "UPDATE alembic_version SET version_num = ?", [older if revision == "older" else revision]
        )
    with pytest.raises(RuntimeError) as own:
        RDBStorage(f"sqlite:///{place}")
    with pytest.raises(StudyError) as raised:
        ask(place)
    assert str(own.value).rstrip(".") in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("by_url", [False, True])
def test_a_lock_that_stays_is_named_in_the_databases_own_words(
    by_url: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5 with what SQLite says, and not with what Optuna guesses about a failed commit."""
    monkeypatch.setattr(sqlite_file, "LOCKED_S", 0.1)
    file = tmp_path / "x.db"
    place = f"sqlite:///{file}" if by_url else file
    study = optuna.create_study(study_name="s", storage=open_storage(place))
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(file, timeout=0)) as other, pytest.raises(sqlite3.OperationalError) as own:
            other.execute("SELECT * FROM studies")
        with pytest.raises(EnvironmentFailure) as raised, using_storage(place):
            study.set_user_attr("a", 1)
    assert str(raised.value).endswith(f"can't be reached or went away: {own.value}.")


def test_a_study_that_somebody_deletes_is_a_storage_that_went_away(tmp_path: Path) -> None:
    """As another program may do, such as Optuna's dashboard: exit code 5."""
    study = optuna.create_study(study_name="s", storage=open_storage(tmp_path / "x.db"))
    optuna.delete_study(study_name="s", storage=open_storage(tmp_path / "x.db"))
    with pytest.raises(EnvironmentFailure), using_storage(tmp_path / "x.db"):
        study.set_user_attr("a", 1)


def test_a_fault_of_ones_own_is_not_put_down_to_the_storage(tmp_path: Path) -> None:
    """An error that doesn't come out of the storage stays what it is."""
    with pytest.raises(KeyError), using_storage(tmp_path / "x.db"):
        raise KeyError("mine")
