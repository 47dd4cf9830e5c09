"""aws-cli's own choice of objects, case by case.

Reads one case of JSON a line, answers with one line. aws-cli runs in this process, as it is, with `--dryrun`; moto answers
its requests. No two cases may name the same bucket. What it would have done is taken where it tells the result, since its printed lines are ambiguous (`a to b`).
"""

import json
import os
import shutil
import sys
from datetime import datetime, timedelta

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1",
                  AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")

from awscli.clidriver import create_clidriver
from awscli.customizations.s3 import s3handler, subcommands
from moto import mock_aws
from moto.s3.models import s3_backends

entries = []
base = s3handler.BaseTransferRequestSubmitter
skips = base._warn_and_signal_if_skip


def record(self, info):
    entries.append([info.operation_name, info.src, None if info.operation_name == "delete" else info.dest])


def record_skip(self, info):
    skipped = skips(self, info)
    if skipped:
        entries.append(["skip", info.src, None])
    return skipped


# Every line would make three clients, which takes longer than all the rest.
make_client = subcommands.get_client
clients = []


def one_client(session, *wanted, **more):
    if not clients:
        clients.append(make_client(session, *wanted, **more))
    return clients[0]


subcommands.get_client = one_client
base._submit_dryrun = record
base._warn_and_signal_if_skip = record_skip


def make_buckets(backend, buckets):
    for name, objects in buckets.items():
        backend.create_bucket(name, "us-east-1")
        for found in objects:
            made = backend.put_object(name, found["key"], b"x" * found["size"], storage=found["class"] or "STANDARD")
            made.last_modified = datetime(1970, 1, 1) + timedelta(microseconds=found["modified_us"])


def make_files(files):
    for path, size, modified_us in files:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"x" * size)
        os.utime(path, ns=(modified_us * 1000, modified_us * 1000))


def main():
    mock = mock_aws()
    mock.start()
    driver = create_clidriver()
    backend = s3_backends["123456789012"]["aws"]
    for line in sys.stdin:
        case = json.loads(line)
        make_buckets(backend, case["buckets"])
        os.makedirs(case["cwd"])
        make_files(case["files"])
        os.chdir(case["cwd"])
        entries.clear()
        out, sys.stdout = sys.stdout, sys.stderr
        try:
            status = driver.main(case["words"] + ["--dryrun"])
        except SystemExit as ended:
            status = ended.code
        sys.stdout = out
        print(json.dumps({"status": status, "entries": entries}), flush=True)
        os.chdir("/")
        shutil.rmtree(case["cwd"])


main()
