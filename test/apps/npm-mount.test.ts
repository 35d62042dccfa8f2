/** npm: a project that depends on a tarball beside it is installed without a network, and runs. */
import assert from 'node:assert/strict'
import { needs, shell } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

testOnBoth('npm ci of a project with a local tarball', { timeout: 60_000 }, async (mount) => {
  await needs('npm', 'npm')
  const environment = {
    HOME: mount.folder,
    npm_config_cache: mount.at('cache'),
    npm_config_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  }
  const options = { cwd: mount.path, environment, timeoutMs: 50_000 }
  const said = await shell(
    `mkdir dependency project
     echo '{"name":"dependency","version":"1.2.3","bin":{"say":"say.js"}}' > dependency/package.json
     printf '#!/usr/bin/env node\\nconsole.log("said by", require("./package.json").version)\\n' \\
       > dependency/say.js
     (cd dependency && npm pack --silent --pack-destination ../project > /dev/null)
     cd project
     echo '{"name":"project","version":"1.0.0","dependencies":{"dependency":"file:dependency-1.2.3.tgz"}}' \\
       > package.json
     npm install --silent --package-lock-only && test ! -e node_modules
     npm ci --silent && test -L node_modules/.bin/say && test -x node_modules/.bin/say
     npm ci --silent && node_modules/.bin/say`,
    options,
  )
  assert.equal(said.trim(), 'said by 1.2.3')
})
