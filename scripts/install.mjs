/**
 * Installs the packages that are not there in the version of package-lock.json. Uses nothing but
 * Node's own modules, because it runs before there are others.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(`${root}${path}`, 'utf8')).packages
  } catch {
    return {}
  }
}

/** Packages for other platforms are not there; what the project itself names is there for x64. */
function isInstalled() {
  const wanted = readPackages('package-lock.json')
  const present = readPackages('node_modules/.package-lock.json')
  const named = process.arch === 'x64' ? Object.keys(wanted['']?.optionalDependencies ?? {}) : []
  return Object.entries(wanted).every(([name, { version, optional }]) => {
    const isNeeded = optional !== true || named.includes(name.replace('node_modules/', ''))
    return name === '' || !isNeeded || present[name]?.version === version
  })
}

/** Runs an npm command in the project's folder; returns its exit code. */
export function npm(...parameters) {
  const path = process.env.npm_execpath
  const [command, first] = path === undefined ? ['npm', []] : [process.execPath, [path]]
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }
  return spawnSync(command, [...first, ...parameters], options).status ?? 1
}

/** Returns the exit code. */
export function install() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Cannot run on Node ${process.version}: it takes Node 20.19 or newer`)
    return 1
  }
  if (isInstalled()) return 0
  // Not `npm ci`: it refuses the lock file where a registry lacks packages for other platforms.
  const parameters = ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund']
  return npm(...parameters, '--loglevel=error')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = install()
