"""results.json: the figures of each piece of work under its name, with what they were made from. A
piece that is there, made from the same, is not done again: a run that was stopped goes on."""

import json
import os
import sys
import time


class Record:
    def __init__(self, directory, data, machine):
        """`data` says which images all of it is about: others are refused."""
        self.path = os.path.join(directory, "results.json")
        self.content = {"data": data, "pieces": {}}
        self.machine = machine
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.content = json.load(file)
            if self.content["data"] != data:
                sys.exit("%s is of other images:\n  %s\nnot\n  %s\nchoose another --out, or "
                         "remove it" % (self.path, self.content["data"], data))

    @property
    def data(self):
        return self.content["data"]

    def do(self, name, made_from, work, needs=None):
        """The figures under `name`: kept ones if they were made from the same, and the file `needs`
        is there; else what work() gives."""
        made_from = json.loads(json.dumps(made_from))  # as it will be read again
        piece = self.content["pieces"].get(name)
        if piece and piece["from"] == made_from and (not needs or os.path.exists(needs)):
            return piece["figures"]
        why = "" if not piece else ", again: made from something else" \
            if piece["from"] != made_from else ", again: its file is gone"
        print("%s%s" % (name, why), file=sys.stderr, flush=True)
        start = time.perf_counter()
        figures = work()
        self.content["pieces"][name] = {
            "figures": figures, "from": made_from, "machine": self.machine,
            "seconds": round(time.perf_counter() - start, 1)}
        self.write()
        return figures

    def write(self):
        scratch = self.path + ".new"
        with open(scratch, "w", encoding="utf-8") as file:
            json.dump(self.content, file, indent=1)
        os.replace(scratch, self.path)

    def get(self, name):
        """Figures, or None."""
        piece = self.content["pieces"].get(name)
        return piece and piece["figures"]

    def below(self, prefix):
        """{rest of the name: figures} of all pieces whose names begin with `prefix`, in order of
        their making."""
        return {name[len(prefix):]: piece["figures"]
                for name, piece in self.content["pieces"].items() if name.startswith(prefix)}

    def machines(self):
        return sorted({piece["machine"] for piece in self.content["pieces"].values()})


def progress():
    """A function of (part done, seconds) that tells how far it is, at times."""
    said = [0]

    def tell(done, seconds):
        if seconds - said[0] > 20 and done < 1:
            said[0] = seconds
            print("    %d %%, %.0f s to go" % (100 * done, seconds / done - seconds),
                  file=sys.stderr, flush=True)
    return tell
