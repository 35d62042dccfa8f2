/** Installs, builds, and mounts ./volume on ./mnt until Ctrl-C. Uses only Node's own modules. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { install, npm } from './install.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const volume = `${root}volume`
const mountpoint = `${root}mnt`

const HELP = `
Mounted on ./mnt; the volume is ./volume. Try in another terminal, in this folder:

  cp -r /usr/include mnt/                     it is an ordinary filesystem
  echo old > mnt/file
  setfattr -n user.atomic -v 1 mnt/file       from here on the file is atomic:
  echo new > mnt/file                         a crash leaves the old text or the new
  getfattr --only-values -n user.atomic.state mnt/file

setfattr and getfattr come with: apt-get install attr
Stop with Ctrl-C here, or with: node dist/mount.js unmount mnt
`

/** What mounting takes and is not there, each with what to do about it. */
function findMissing() {
  const missing = []
  if (!existsSync('/dev/fuse')) {
    missing.push('/dev/fuse: run "modprobe fuse" as root, or give the container the device')
  }
  const folders = (process.env.PATH ?? '').split(':')
  const has = (command) => folders.some((folder) => existsSync(`${folder}/${command}`))
  if (process.getuid() !== 0 && !has('fusermount3')) {
    missing.push('fusermount3: run "apt-get install fuse3" as root')
  }
  return missing
}

function isMounted() {
  const place = mountpoint.replaceAll('\\', '\\134').replaceAll(' ', '\\040')
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${place} fuse.oatomic `)
}

function makeMountpoint() {
  try {
    mkdirSync(mountpoint)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
}

/** Returns the exit code of the mount when it has ended. */
async function mount() {
  const parameters = ['dist/mount.js', 'mount', volume, mountpoint, '-f', '-o', 'create']
  const child = spawn(process.execPath, parameters, { cwd: root, stdio: 'inherit' })
  const ended = new Promise((resolve) => child.once('close', (status) => resolve(status ?? 1)))
  // The terminal sends Ctrl-C to the mount as well.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  while (child.exitCode === null && !isMounted()) await sleep(100)
  if (child.exitCode === null) console.log(HELP)
  return ended
}

const missing = findMissing()
for (const each of missing) console.error(`Missing ${each}`)
if (missing.length > 0 || install() !== 0 || npm('run', '--silent', 'build') !== 0) {
  process.exit(1)
}
makeMountpoint()
process.exitCode = await mount()
