"""The attribute names that `Attributes(<COLLECTION>)` lists, with their value types.

Taken from the listings that CDSE clients carry (CDSETool, June 2026). Products carry others too
(`beginningDateTime`), and often lack some of these.
"""

from __future__ import annotations

_TYPES = {"S": "String", "I": "Integer", "D": "Double", "T": "DateTimeOffset", "B": "Boolean"}

# One letter for the type, as in `cloudCover:D`.
_NAMES = {
    "SENTINEL-1": (
        "completionTimeFromAscendingNode:D coordinates:S cycleNumber:I datatakeID:I "
        "instrumentConfigurationID:I instrumentShortName:S operationalMode:S orbitDirection:S "
        "orbitNumber:I origin:S platformSerialIdentifier:S platformShortName:S "
        "polarisationChannels:S processingBaseline:S processingCenter:S processingDate:T "
        "processingLevel:S processorName:S processorVersion:S productClass:S productComposition:S "
        "productConsolidation:S productGeneration:T productType:S relativeOrbitNumber:I "
        "segmentStartTime:T sliceNumber:I sliceProductFlag:B startTimeFromAscendingNode:D "
        "swathIdentifier:S timeliness:S totalSlices:I"
    ),
    "SENTINEL-2": (
        "cloudCover:D coordinates:S datastripId:S granuleIdentifier:S illuminationZenithAngle:D "
        "instrumentShortName:S lastOrbitNumber:I operationalMode:S orbitNumber:I origin:S "
        "platformSerialIdentifier:S platformShortName:S processingBaseline:S processingCenter:S "
        "processingDate:T processingLevel:S processorVersion:S productGroupId:S productType:S "
        "qualityInfo:I qualityStatus:S relativeOrbitNumber:I sourceProduct:S "
        "sourceProductOriginDate:S tileId:S"
    ),
    "SENTINEL-3": (
        "baselineCollection:S brightCover:D closedSeaCover:I cloudCover:D coastalCover:D "
        "continentalIceCover:I coordinates:S cycleNumber:I freshInlandWaterCover:D "
        "instrumentShortName:S landCover:D lastOrbitDirection:S lastOrbitNumber:I "
        "lastRelativeOrbitNumber:I openOceanCover:I operationalMode:S orbitDirection:S "
        "orbitNumber:I platformSerialIdentifier:S platformShortName:S processingBaseline:S "
        "processingCenter:S processingDate:T processingLevel:S processorName:S processorVersion:S "
        "productType:S relativeOrbitNumber:I salineWaterCover:D snowOrIceCover:D "
        "tidalRegionCover:D timeliness:S"
    ),
    "SENTINEL-5P": (
        "acquisitionType:S baselineCollection:S coordinates:S doi:S identifier:S "
        "instrumentShortName:S orbitNumber:I parentIdentifier:S platformSerialIdentifier:S "
        "platformShortName:S processingBaseline:S processingCenter:S processingDate:T "
        "processingLevel:S processingMode:S processorName:S processorVersion:S productClass:S "
        "productType:S qualityStatus:S"
    ),
}

#: Value type by attribute name, by collection.
LISTED: dict[str, dict[str, str]] = {
    collection: {name: _TYPES[kind] for name, _, kind in (n.rpartition(":") for n in names.split())}
    for collection, names in _NAMES.items()
}
