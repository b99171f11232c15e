import { createHash } from 'node:crypto'
import { createSealer } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../../testing/sqlite-plane.ts'
import { makeNetwork, rulesOf, vmPath, vmRequest, type Loose, type TestPlane } from '../../../../testing/test-plane.ts'
import { Passwords } from '../../../../store/passwords.ts'

const password = 'Corre-ct horse \u00fc 9'
let plane: TestPlane & { close(): Promise<void>; stored(): Promise<string> }
beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
})
afterAll(async () => await plane.close())

/** @param off `disablePasswordAuthentication`; omitted if undefined */
const request = (adminPassword: string | undefined, off: boolean | undefined, keys = true): Loose => {
  const body = vmRequest('vm1')
  const os = body.properties.osProfile
  os.adminPassword = adminPassword ?? null
  os.linuxConfiguration.disablePasswordAuthentication = off ?? null
  if (!keys) os.linuxConfiguration.ssh = null
  return body
}
const put = async (body: Loose): Promise<Loose> => await plane.send('PUT', vmPath('vm1'), body)

describe('the password of an administrator is refused', () => {
  it.each([
    ['too short', 'Ab1!x'],
    ['too long', `Ab1!${'x'.repeat(69)}`],
    ['of two kinds of characters', 'abcdefgh1234'],
    ['with a line break', 'Secret-1234\nroot:x'],
    ['with a zero byte', 'Secret-1234\u0000'],
    ['empty', ''],
  ])('where it is %s, in Azure’s words and without it', async (_what, given) => {
    const { status, body } = await put(request(given, false))
    expect([status, body.error.code, body.error.target]).toEqual([
      400,
      'InvalidParameter',
      'properties.osProfile.adminPassword',
    ])
    expect(body.error.message).toMatch(
      /^The supplied password must be between 6-72 characters long and must satisfy at least 3 of password complexity requirements/,
    )
    expect(rulesOf(body)).toContain('S6')
    if (given !== '') expect(JSON.stringify(body)).not.toContain(JSON.stringify(given).slice(1, -1))
  })

  it('where everybody knows it', async () => {
    expect((await put(request('P@ssw0rd', false))).body.error.message).toContain('commonly used one')
  })

  it('where passwords are switched on and none is given, and where nothing else lets anybody in', async () => {
    expect((await put(request(undefined, false))).body.error.message).toBe(
      "Required parameter 'adminPassword' is missing (null).",
    )
    expect((await put(request(undefined, undefined, false))).body.error.message).toContain('at least one public key')
    // As in templates with one parameter for key and password: passwords are off, so there is none.
    expect((await put(request(password, true, false))).body.error.message).toContain('at least one public key')
  })
})

describe('a VM with a password', () => {
  it('reaches its guest with a hash of it, and the password itself is nowhere', async () => {
    const { reply, operation } = await plane.run('PUT', vmPath('vm1'), request(password, undefined, false))
    expect(operation.status).toBe('Succeeded')
    const profile = [...plane.wire.instances.values()][0]!.spec.osProfile
    expect(profile.passwordHash).toMatch(/^\$y\$j9T\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{43}$/)
    expect(profile.passwordSha256).toBe(createHash('sha256').update(profile.passwordHash!).digest('hex'))
    const shown = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    expect(shown.body.properties.osProfile.linuxConfiguration.disablePasswordAuthentication).toBe(false)
    for (const body of [reply.body, shown.body]) expect(JSON.stringify(body)).not.toMatch(/\$y\$|adminPassword|horse/)
    // The response shows that the password was set.
    expect(JSON.stringify(shown.body.properties.instanceView)).toContain('the resource manager saw it in clear')
    const stored = await plane.stored()
    expect(stored).not.toContain('horse')
    expect(stored).not.toContain(profile.passwordHash)
    expect(JSON.stringify(plane.wire.calls)).not.toContain('horse')
  })

  it('stays as it is for the same request, and does not change to another password', async () => {
    expect((await put(request(password, undefined, false))).status).toBe(200)
    // As az sends back what it read.
    expect((await put(request(undefined, false, false))).status).toBe(200)
    for (const [body, message] of [
      [request('Another-1234', undefined, false), "Changing property 'osProfile.adminPassword' is not allowed."],
      [
        request(undefined, true, false),
        "Changing property 'osProfile.linuxConfiguration.disablePasswordAuthentication' is not allowed.",
      ],
    ] as const) {
      const refused = await put(body)
      expect([refused.status, refused.body.error.message]).toEqual([409, message])
    }
    expect((await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })).status).toBe(200)
  })

  it('is told apart from one that was made with keys alone: that one takes no password later', async () => {
    await plane.run('DELETE', vmPath('vm1'))
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), request('an ssh key or a password', true))
    expect([...plane.wire.instances.values()][0]!.spec.osProfile.passwordHash).toBeUndefined()
    const refused = await put(request(password, undefined))
    expect([refused.status, refused.body.error.code]).toEqual([409, 'PropertyChangeNotAllowed'])
    expect((await put(request(password, true))).status).toBe(200)
  })
})

describe('what is kept of a password', () => {
  it('opens for its own VM, is salted, and knows the password again', async () => {
    const passwords = new Passwords(createSealer(new Uint8Array(32)))
    const [one, two] = [await passwords.keep(password, 'A'), await passwords.keep(password, 'A')]
    expect(one.digest).not.toBe(two.digest)
    expect(await passwords.matches(password, one, 'A')).toBe(true)
    expect(await passwords.matches(`${password} `, one, 'A')).toBe(false)
    await expect(passwords.open(one, 'B')).rejects.toThrow()
  })
})
