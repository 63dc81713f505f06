// Etcher's SDK as its window uses it, on one device, with verification.
//   node etcher.js IMAGE DEVICE trim|all
'use strict';

const { execFileSync } = require('child_process');
const { multiWrite, sourceDestination } = require('etcher-sdk');

async function main(image, device, mode) {
  const size = Number(execFileSync('blockdev', ['--getsize64', device]));
  const drive = {
    raw: device,
    device,
    devicePath: device,
    description: device,
    mountpoints: [],
    size,
    blockSize: 512,
    isReadOnly: false,
    isSystem: false,
  };
  const target = new sourceDestination.BlockDevice({
    drive,
    unmountOnSuccess: false,
    write: true,
    direct: true,
  });
  const result = await multiWrite.decompressThenFlash({
    source: new sourceDestination.File({ path: image }),
    destinations: [target],
    onFail: (_, error) => console.error(error),
    onProgress: () => {},
    verify: true,
    numBuffers: 16,
    decompressFirst: false,
    trim: mode === 'trim',
  });
  if (result.failures.size > 0) throw new Error('a destination failed');
  console.log(`${result.bytesWritten} bytes written`);
}

main(...process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
