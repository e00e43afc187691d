from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.catalog import CATALOG
from ldae.adni.image_facts import ImageFacts, gather_facts
from ldae.adni.metadata import Metadata
from ldae.adni.tables import StudyTables

COLUMNS = {kind.name: dict.fromkeys(kind.columns) for kind in CATALOG}
METADATA = Metadata(
    subject="002_S_0295",
    description="MP-RAGE",
    kind="original",
    acquired=datetime(2006, 4, 18, 8, 20, 30),
    visit="ADNI Screening",
    age=84.7425,
    sex="M",
    group="NL",
    slices=166,
    tesla=1.5,
    manufacturer="GE",
    series_id=13408,
)
LISTED = {
    **{"list": "search", "image_id": "45108", "subject": "002_S_0295", "sex": "M", "age": "84.7"},
    **{"description": "MP-RAGE", "type": "Original", "date": "4/18/2006"},
    **{"visit": "ADNI1 Screening"},
}
MRIQC = {
    **{"image_id": "45108", "PTID": "002_S_0295", "StudyDate": "2006-04-18", "VISCODE2": "sc"},
    **{"SlicesPerVolume": "165", "MagneticFieldStrength": "1.494", "SeriesDescription": "MP-RAGE"},
    **{"ScannerManufacturer": "GE MEDICAL SYSTEMS", "LONISeries": "S13408"},
}
RETIRED = {
    **{"image_id": "45108", "subject": "002_S_0295", "visit": "ADNI Screening", "tesla": "1.5"},
    **{"sequence": "MP-RAGE", "date": "2006-04-18", "series_id": "13408", "kind": "Original"},
}


def gather(metadata=None, **tables):
    rows = {name: tuple(COLUMNS[name] | row for row in given) for name, given in tables.items()}
    return gather_facts(StudyTables(rows=rows), {45108: metadata} if metadata else {})


def test_metadata_is_the_nearest_witness():
    facts = gather(METADATA, IMAGE_LIST=[LISTED | {"sex": "F"}], MRIQC=[MRIQC])[45108]
    assert facts == ImageFacts(
        subject="002_S_0295",
        series_id=13408,
        description="MP-RAGE",
        kind="original",
        visit="ADNI Screening",
        group="CN",
        sex="M",
        tesla=1.5,
        manufacturer="GE",
        slices=166,
        slices_source="metadata",
        ages={"metadata": 84.7425, "search list": 84.7},
        dates={
            "metadata": METADATA.acquired,
            "image list": datetime(2006, 4, 18),
            "MRIQC": datetime(2006, 4, 18),
        },
    )


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            {"IMAGE_LIST": [LISTED]},
            {"kind": "original", "group": None, "ages": {"search list": 84.7}},
        ),
        (
            {"IMAGE_LIST": [LISTED | {"list": "collection", "age": "85", "type": "Processed"}]},
            {"kind": "processed", "ages": {"collection list": 85.0}},
        ),
        (
            {"IMAGE_LIST": [LISTED | {"list": "images", "tesla": "3", "type": "Pre-processed"}]},
            {"kind": "processed", "ages": {}, "tesla": 3.0},
        ),
        ({"IMAGE_LIST": [LISTED | {"image_id": "I45108", "age": "-4"}]}, {"ages": {}}),
        (
            {"MRIQC": [MRIQC]},
            {"slices": 165, "slices_source": "MRIQC", "tesla": 1.5, "series_id": 13408},
        ),
        ({"MRIQC": [MRIQC | {"SlicesPerVolume": "1"}]}, {"slices": None, "slices_source": None}),
        (
            {"MPRAGEMETA": [RETIRED]},
            {"series_id": 13408, "dates": {"MPRAGEMETA": datetime(2006, 4, 18)}},
        ),
    ],
)
def test_each_witness_speaks_where_no_nearer_one_does(tables, expected):
    facts = gather(**tables)[45108]
    assert facts.subject == "002_S_0295"
    assert facts.description == "MP-RAGE"
    assert {name: getattr(facts, name) for name in expected} == expected


def test_a_visit_in_words_is_preferred_to_a_number():
    number = LISTED | {"list": "collection", "visit": "1", "age": "85"}
    for lists in ([number, LISTED], [LISTED, number]):
        facts = gather(IMAGE_LIST=lists)[45108]
        assert facts.visit == "ADNI1 Screening"
        assert facts.ages == {"search list": 84.7, "collection list": 85.0}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"MAYO_QC": [{"loni_image": "I45108", "series_quality": "3"}]}, ("pass", "MAYO_QC", None)),
        (
            {"MAYO_QC": [{"loni_image": "I45108", "series_quality": "4", "series_selected": "0"}]},
            ("fail", "MAYO_QC", False),
        ),
        ({"MAYO_QC": [{"loni_image": "I45108", "series_selected": "1"}]}, (None, None, True)),
        (
            {"MAYO_QC_ADNI3": [{"LONI_IMAGE": "45108.0", "SERIES_SELECTED": "TRUE"}]},
            (None, None, True),
        ),
        ({"MRIQC": [MRIQC | {"SeriesQC": "4"}]}, ("fail", "MRIQC", None)),
        ({"MRIQC": [MRIQC]}, (None, None, None)),
        ({"MRIQUALITY": [{"LONIUID": "S13408", "PASS": "1"}]}, ("pass", "MRIQUALITY", None)),
        ({"MRIQUALITY": [{"LONIUID": "S13408", "PASS": "0"}]}, ("fail", "MRIQUALITY", None)),
        ({"MRIQUALITY": [{"LONIUID": "S13408"}]}, (None, None, None)),
        ({"MRIQUALITY": [{"LONIUID": "S13409", "PASS": "0"}]}, (None, None, None)),
        (
            {
                "MAYO_QC": [{"loni_image": "I45108", "series_quality": "1"}],
                "MRIQC": [MRIQC | {"SeriesQC": "4"}],
                "MRIQUALITY": [{"LONIUID": "S13408", "PASS": "1"}],
            },
            ("fail", "MRIQC", None),
        ),
        (
            {
                "MAYO_QC": [{"loni_image": "I45108", "series_quality": "1"}],
                "MRIQUALITY": [{"LONIUID": "S13408", "PASS": "0"}],
            },
            ("fail", "MRIQUALITY", None),
        ),
    ],
)
def test_quality_is_that_of_the_strictest_control(tables, expected):
    for facts in (gather(METADATA, **tables).of(45108), gather(**tables).of(45108, 13408)):
        assert (facts.quality, facts.quality_source, facts.selected) == expected


def test_a_series_is_rated_even_if_nothing_knows_the_image():
    facts = gather(MRIQUALITY=[{"LONIUID": "S13408", "PASS": "0"}])
    assert facts.of(7, 13408).quality == "fail"
    assert facts.of(None, 13408).quality == "fail"
    assert facts.of(7) == facts.of(None) == ImageFacts()
    assert list(facts) == []


def test_facts_are_a_mapping_by_image_id():
    facts = gather(
        METADATA,
        MRIQC=[MRIQC | {"image_id": "I7"}, MRIQC | {"image_id": None}],
        MAYO_QC=[{"loni_image": "I5", "series_quality": "4"}, {"loni_image": "I6"}],
    )
    assert list(facts) == [5, 7, 45108]
    assert len(facts) == 3
    assert 7 in facts
    assert 6 not in facts
    assert facts[7].slices == 165
    with pytest.raises(KeyError):
        facts[6]


@given(st.permutations(range(4)))
def test_the_order_of_rows_of_different_images_does_not_matter(order):
    rows = [MRIQC | {"image_id": str(number), "SlicesPerVolume": f"16{number}"} for number in order]
    assert {number: one.slices for number, one in gather(MRIQC=rows).items()} == {
        number: 160 + number for number in range(4)
    }
