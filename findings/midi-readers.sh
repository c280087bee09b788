#!/bin/sh
# pretty_midi 0.2.11.post0, symusic 0.6.0 and miditoolkit 1.0.1 read other notes from the same valid MIDI file (format 0, one
# instrument), and none says so:
#
#   a pitch struck again while it sounds  pretty_midi ends both notes at the first note-off; the two others at one each.
#   a note without length                 pretty_midi leaves it out; the two others keep it. A sequence of pitches that is cut
#                                         into blocks (128 in Kao & Lee 2021) is another one from there on.
#   time in SMPTE frames (the sign bit of the header's division)  miditoolkit reads on, with a negative ticks_per_beat;
#                                         pretty_midi raises "Note end time must be greater than start time", which names
#                                         another fault; symusic says what it is.
#
# Exits 0 while this is so.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pretty_midi==0.2.11.post0 mido==1.3.3 symusic==0.6.0 miditoolkit==1.0.1 setuptools==80.9.0
cat >"$work/read.py" <<'PY'
import io
import struct

import miditoolkit
import pretty_midi
import symusic


def midi(events, division):
    """A file of one track: (delta in ticks below 16,384, message)."""
    body = b"".join(bytes([128 | delta >> 7, delta & 127]) + message for delta, message in events) + b"\0\xff\x2f\0"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, division) + b"MTrk" + struct.pack(">I", len(body)) + body


def with_pretty_midi(content):
    parts = pretty_midi.PrettyMIDI(io.BytesIO(content)).instruments
    return [(n.pitch, float(n.start), float(n.end)) for part in parts for n in part.notes]


def with_symusic(content):
    tracks = symusic.Score.from_midi(content).to("second").tracks
    return [(n.pitch, round(n.time, 4), round(n.time + n.duration, 4)) for track in tracks for n in track.notes]


def with_miditoolkit(content):
    found = miditoolkit.MidiFile(file=io.BytesIO(content))
    beat = found.ticks_per_beat if found.ticks_per_beat < 0 else 2 * found.ticks_per_beat  # 120 beats a minute
    return [(n.pitch, n.start / beat, n.end / beat) for part in found.instruments for n in part.notes]


def read(how, content):
    try:
        return how(content)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"


ON, OFF = b"\x90\x3c\x40", b"\x80\x3c\x00"
cases = {
    "struck again": midi([(0, ON), (240, ON), (240, OFF), (480, OFF)], 480),
    "without length": midi([(0, ON), (0, OFF), (480, ON), (480, OFF)], 480),
    "SMPTE frames": midi([(0, ON), (1000, OFF)], 0xE728),  # 25 frames a second, 40 ticks a frame: a tick is 1 ms
}
for name, content in cases.items():
    for how in (with_pretty_midi, with_symusic, with_miditoolkit):
        print(f"{name}, {how.__name__[5:]}: {read(how, content)}")
PY
"$work/venv/bin/python" -W ignore "$work/read.py" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'SEEN'
struck again, pretty_midi: [(60, 0.0, 0.5), (60, 0.25, 0.5)]
struck again, symusic: [(60, 0.0, 0.5), (60, 0.25, 1.0)]
struck again, miditoolkit: [(60, 0.0, 0.5), (60, 0.25, 1.0)]
without length, pretty_midi: [(60, 0.5, 1.0)]
without length, symusic: [(60, 0.0, 0.0), (60, 0.5, 1.0)]
without length, miditoolkit: [(60, 0.0, 0.0), (60, 0.5, 1.0)]
SMPTE frames, pretty_midi: ValueError: Note end time must be greater than start time
SMPTE frames, symusic: RuntimeError: MiniMidi: Division type is not ticks per quarter!
SMPTE frames, miditoolkit: [(60, -0.0, -0.15723270440251572)]
SEEN
diff "$work/expected" "$work/seen"
