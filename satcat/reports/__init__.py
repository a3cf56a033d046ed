"""What a catalogue holds, summed up."""
