import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { exampleSpec } from '../testing.ts'
import { expectedSettings, settingsDigest, settledBy } from './settings.ts'

describe('the settings that a vTPM is made for', () => {
  const own = createHash('sha256').update(settledBy(exampleSpec, 'CA')).digest()

  it('are those of the VM’s request, down to each of them', () => {
    expect(settingsDigest(exampleSpec, 'CA')).toEqual(own)
    const { osProfile } = exampleSpec
    for (const change of [
      { computerName: 'second' },
      { adminUsername: 'other' },
      { sshPublicKeys: [...osProfile.sshPublicKeys, 'ssh-ed25519 BBBB'] },
      { customData: 'YQ==' },
      { passwordSha256: 'ab'.repeat(32) },
    ])
      expect(settingsDigest({ ...exampleSpec, osProfile: { ...osProfile, ...change } }, 'CA')).not.toEqual(own)
    expect(settingsDigest({ ...exampleSpec, vmId: exampleSpec.vmId.replace('5', '6') }, 'CA')).not.toEqual(own)
    expect(settingsDigest(exampleSpec, 'ANOTHER CA')).not.toEqual(own)
  })

  it('are none where the disk brings them, where nobody says, and where a guest state is copied', () => {
    expect(settingsDigest({ ...exampleSpec, settings: 'OnDisk' }, 'CA')).toBeUndefined()
    const { settings: _, ...before } = exampleSpec
    expect(settingsDigest(before, 'CA')).toBeUndefined()
    const { osProfile: _none, ...copied } = exampleSpec
    expect(settingsDigest(copied, 'CA')).toBeUndefined()
    expect(Buffer.from(expectedSettings(before, 'CA'))).toEqual(Buffer.from(settledBy(exampleSpec, 'CA')))
  })
})
