// Runs in an empty folder with the packed packages installed: imports every entry, and uses each package once.
import assert from 'node:assert/strict'
import { faultsOf, integer, object } from '@strongroom/contract/shape'
import { openApiOf, wires } from '@strongroom/contract/wires'
import * as evidence from '@strongroom/evidence'
import { snpAdvisories } from '@strongroom/evidence/advisories'
import { snpLaunchDigest } from '@strongroom/evidence/expected'
import { explain } from '@strongroom/evidence/explain'
import { detect, judge } from '@strongroom/evidence/files'
import { evaluatePolicy, parsePolicy } from '@strongroom/policy'
import { readReleasePolicy, ReleasePolicyError } from '@strongroom/release-policy'
import { leafHash, rootOf, appended, emptyFrontier } from '@strongroom/transparency'
import { rootsOf, verifyLinks } from '@strongroom/trust'

assert.throws(() => evidence.parseSnpReport(new Uint8Array(1184)), evidence.EvidenceError)
assert.equal(typeof snpLaunchDigest, 'function')
assert.ok(snpAdvisories.length > 0)
assert.deepEqual(
  detect('x', new TextEncoder().encode('no evidence')).map(({ kind }) => kind),
  ['unknown'],
)
assert.equal(typeof explain, 'function')
assert.equal(typeof judge, 'function')

const permit = parsePolicy('version=1.0; authorizationrules { => permit(); }; issuancerules { };')
assert.equal(evaluatePolicy(permit, []).permitted, true)
assert.throws(() => readReleasePolicy('{"version":"9"}'), ReleasePolicyError)

const [one, two] = ['one', 'two'].map((text) => leafHash(new TextEncoder().encode(text)))
assert.notDeepEqual(rootOf(appended(emptyFrontier, one)), rootOf(appended(appended(emptyFrontier, one), two)))

await assert.rejects(rootsOf({ simulated: true, amd: [], intel: [] }, 'no certificate'), evidence.EvidenceError)
assert.equal(typeof verifyLinks, 'function')
assert.equal(faultsOf(object({ level: integer(0, 9) }), { level: 10 })[0]?.target, 'level')
assert.ok(wires.every((wire) => openApiOf(wire).openapi === '3.1.0'))
process.stdout.write('ok\n')
