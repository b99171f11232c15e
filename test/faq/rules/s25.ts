import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onRecord, refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s25: Rule = {
  id: 'S25',
  boots: ['snp'],
  async check(t) {
    const path = t.driver.vm('s25')
    await t.driver.run('PUT', path, await t.driver.vmBody('s25'))
    const console = `${path}/providers/Microsoft.SerialConsole/serialPorts/0/connect`
    await refused(t, {
      what: 'the serial console',
      method: 'POST',
      path: console,
      status: 403,
      code: 'SerialConsoleRefused',
      rule: 'S25',
    })
    await refused(t, {
      what: 'a VM extension',
      method: 'PUT',
      path: `${path}/extensions/custom`,
      body: {},
      status: 403,
      code: 'VMExtensionsRefused',
      rule: 'S25',
    })
    const script = { commandId: 'RunShellScript', script: ['id'] }
    await refused(t, {
      what: 'run-command with a script that the owner did not sign',
      method: 'POST',
      path: `${path}/runCommand`,
      body: script,
      status: 403,
      code: 'RunCommandNotSigned',
      rule: 'S25',
    })
    await onRecord(t, 'serialPorts/connect', 403)
    await t.driver.remove('s25')
    const guest = await t.guest('snp')
    const file = join(guest.installation.home, 'script.sh')
    await writeFile(file, 'id -un\n')
    const own = await guest.installation.must('vm', 'run-command', guest.name, file)
    t.note('run-command with the owner’s signature, in a booted guest', JSON.stringify(own).slice(0, 160))
    assert.match(JSON.stringify(own), /root/)
    const signed = (await guest.installation.cli('vm', 'sign-script', guest.name, file)).stdout
    const { arm, path: vm } = await guest.arm()
    const forged = { commandId: 'RunShellScript', script: [signed.replace('id -un', 'cat /etc/shadow')] }
    const refusal = await arm.result('POST', `${vm}/runCommand`, '2024-11-01', forged).then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    t.note('the same with another script under the signature', refusal?.message ?? 'it ran')
    assert.match(refusal?.message ?? '', /did not run the script/)
  },
}
