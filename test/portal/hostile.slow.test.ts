import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { homeRegion, sharedAttestationHost, vaultHost, visibleText, type BootEvidence } from '@strongroom/contract'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectText, faultsOf, long, markup, rightToLeft } from './support/hostile.ts'
import { arm, beginIn, fields, graph, group, machinePage, type Planted } from './support/hostile-fields.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

const provider = sharedAttestationHost(homeRegion.code)

describe.skipIf(!chromiumIsInstalled)('what others wrote, in the portal', { timeout: 600_000 }, () => {
  let h: Planted
  let page: Page
  let evidence: BootEvidence
  /** Texts by the page that shows them. */
  const shown = new Map<string, string[]>()
  const expectOn = (path: string, text: string): void => void shown.set(path, [...(shown.get(path) ?? []), text])

  beforeAll(async () => {
    const portal = await PortalTest.open()
    // The operator's settings: read at the server's start, and not needed for evidence of simulated silicon.
    const [amd, intel, intelRootCrl] = [markup, rightToLeft, long].map((text) => `http://127.0.0.1:1/${text}`)
    await portal.installation.stop()
    await writeFile(
      join(portal.installation.stateDir, 'collateral-endpoints.json'),
      JSON.stringify({ amd, intel, intelRootCrl }),
    )
    await portal.installation.start({}, ['--compute', 'simulated'])
    for (const endpoint of [amd, intel, intelRootCrl]) expectOn('/attestation', endpoint!)
    const first = await portal.installation.must<{ id: string }>('vm', 'create', 'first', '--size', 'Standard_DC2as_v5')
    evidence = await portal.bootEvidence<BootEvidence>(first.id)
    const id = await beginIn(portal, group)
    page = await portal.signedIn(machinePage())
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
    await page.goto(`${portal.origin}/machines/new`)
    await page.getByText('The machine can be created').waitFor()
    await page.getByRole('button', { name: 'Make a key of mine' }).click()
    await page.getByText('Made', { exact: true }).nth(5).waitFor()
    await page.goto(`${portal.origin}/keys`)
    const vault = (await page.getByRole('link', { name: /^keys-/ }).textContent()) ?? ''
    h = { portal, subscription: await portal.subscription(), machine: id, vault, tags: {}, keyTags: {} }
  }, 600_000)
  afterAll(async () => await h?.portal.close())

  /** The whole page, with the values of its fields. */
  const missing = async (texts: readonly string[]): Promise<string[]> => {
    const wanted = texts.map((text) => ({ text, visible: visibleText(text) }))
    return await page.evaluate((all) => {
      for (const details of document.querySelectorAll('details')) details.open = true
      const typed = [...document.querySelectorAll('textarea, input')].map((each) => (each as HTMLInputElement).value)
      const { textContent } = document.body
      const isThere = (each: { text: string; visible: string }): boolean =>
        textContent.includes(each.visible) || typed.some((value) => value.includes(each.text))
      return all.filter((each) => !isThere(each)).map(({ text }) => text.slice(0, 60))
    }, wanted)
  }

  /** Shows all of them as text at each width; no script or markup in them takes effect. */
  const holds = async (path: string, texts: readonly string[]): Promise<void> => {
    await page.goto(h.portal.origin + path)
    await expect.poll(async () => await missing(texts), { message: path }).toEqual([])
    await expectText(page)
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 800 })
      const beyond = (): Promise<number> =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      await expect.poll(beyond, { message: `${path} at ${width} px` }).toBeLessThanOrEqual(0)
    }
  }

  it.each(fields.map((field) => [field.what, field] as const))(
    'is taken by its service, up to so many characters: %s',
    async (_, field) => {
      const texts = [`${markup} ${field.what}`, `${rightToLeft} ${field.what}`]
      for (const [index, text] of texts.entries()) {
        await field.put(h, text, index)
        expectOn(field.place(h), text)
      }
      const longest = long.slice(0, field.most - 2) + String(fields.indexOf(field)).padStart(2, '0')
      await field.put(h, longest, 2)
      expectOn(field.place(h), longest)
      if (field.most < long.length) await expect(field.put(h, long, 3)).rejects.toThrow(/: 4\d\d /)
    },
  )

  it('is not a name of a resource', async () => {
    const within = `${h.subscription}/resourceGroups/strongroom/providers`
    const types = [
      'Compute/virtualMachines',
      'Compute/disks',
      'Compute/diskEncryptionSets',
      'Network/networkInterfaces',
      'KeyVault/vaults',
      'Attestation/attestationProviders',
      'ManagedIdentity/userAssignedIdentities',
    ]
    // Hosts are shown when none has a size's silicon.
    const paths = [
      h.subscription + '/resourceGroups',
      h.subscription + '/providers/Strongroom.Fleet/hosts',
      ...types.map((type) => `${within}/Microsoft.${type}`),
    ]
    for (const path of paths)
      for (const text of [markup, rightToLeft, long]) {
        const put = arm(h, 'PUT', `${path}/${encodeURIComponent(text)}`, '2024-11-01', { location: homeRegion.name })
        await expect(put, `${path} ${text.slice(0, 20)}`).rejects.toThrow(/: 4\d\d /)
      }
    for (const text of [markup, rightToLeft, long]) {
      const path = `/keys/${encodeURIComponent(text)}/create?api-version=7.6`
      await expect(h.portal.asOwner('POST', vaultHost(h.vault), path, { kty: 'RSA' })).rejects.toThrow(/: 4\d\d /)
    }
  })

  it('is text on the page of a machine, in lists and in what roles there are', async () => {
    for (const [path, texts] of shown) await holds(path, texts)
    for (const path of ['/', '/trust']) await holds(path, [group])
    await page.goto(`${h.portal.origin}/?filter=${encodeURIComponent(markup)}`)
    await page.getByText('1 of 2').waitFor()
    await expectText(page)
  })

  it('is text where it is why something was refused', async () => {
    const lock = { properties: { level: 'ReadOnly', notes: markup } }
    await arm(h, 'PUT', `${h.machine}/providers/Microsoft.Authorization/locks/held`, '2020-05-01', lock)
    await page.goto(h.portal.origin + machinePage())
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('alert').getByText('held (ReadOnly)').first().waitFor()
    await expectText(page)
  })

  it('is text in a release policy, its words, and why it would not release', async () => {
    await h.portal.attest(evidence)
    const conditions = [markup, rightToLeft, long].map((text) => ({ claim: 'x-ms-compliance-status', equals: text }))
    const policy = { version: '1.0.0', anyOf: [{ authority: `https://${provider}`, allOf: conditions }] }
    const data = Buffer.from(JSON.stringify(policy)).toString('base64url')
    await h.portal.asOwner('PATCH', vaultHost(h.vault), '/keys/disk?api-version=7.6', {
      release_policy: { contentType: 'application/json; charset=utf-8', data },
    })
    await holds(`/keys/${h.vault}/disk`, [markup, rightToLeft, long])
    const trials = page.getByRole('region', { name: 'Results for stored decisions' })
    await trials.getByText('because of').first().waitFor()
    expect(await trials.textContent()).toContain(markup)
    await expectText(page)
  })

  it('is text in an attestation policy, its rules, and why evidence was denied', async () => {
    const rules = [markup, rightToLeft, long].map(
      (text) => `[type=="x-ms-compliance-status", value=="${text}"]=>permit();`,
    )
    await page.goto(`${h.portal.origin}/attestation/${provider}?type=SevSnpVm`)
    const text = page.getByRole('textbox', { name: 'Text of the policy' })
    await text.fill(`version=1.0;authorizationrules{${rules.join('\n')}};`)
    await page.getByRole('button', { name: 'Set this policy' }).click()
    await expect.poll(() => page.getByRole('button', { name: 'Back to the one in force' }).count()).toBe(0)
    expect(await h.portal.attest(evidence)).toBe(400)
    await holds(`/attestation/${provider}?type=SevSnpVm&outcome=Denied`, [markup, rightToLeft])
    const decisions = page.getByRole('region', { name: 'Decisions', exact: true })
    await decisions.getByText('PolicyEvaluationError').first().waitFor()
    expect(await decisions.textContent()).toContain(markup)
  })

  it('is text where it stands in an address that somebody sends', async () => {
    const texts = [markup, rightToLeft, long.slice(0, 2_000)].map(encodeURIComponent)
    const places = (text: string): string[] => [
      `/machines/${text}/${text}`,
      `/machines/${text}/${text}/trust`,
      `/keys/${text}`,
      `/keys/${text}/${text}`,
      `/keys/${h.vault}/${text}`,
      `/attestation/${text}`,
      `/attestation/${provider}?type=${text}&outcome=${text}`,
      `/?filter=${text}`,
      `/access?role=${text}`,
      `/sizes?region=${text}&zone=${text}&name=${text}&silicon=${text}&cores=${text}&encryption=${text}`,
      `/costs?region=${text}`,
      `/machines/new?region=${text}&size=${text}`,
      `/${text}`,
    ]
    for (const path of texts.flatMap(places)) {
      await page.goto(h.portal.origin + path)
      await page.locator('main h1').waitFor()
      await page.waitForLoadState('networkidle')
      await expectText(page)
    }
  })

  it('is not part of a command that a person is to copy', async () => {
    await page.goto(
      `${h.portal.origin}/machines/new?size=${encodeURIComponent('x; touch /tmp/x')}&region=${encodeURIComponent('$(id)')}`,
    )
    await page.getByText('The machine can be created').waitFor()
    await page.getByText('The same request as text').click()
    const command = (await page.getByLabel('Azure CLI', { exact: true }).textContent()) ?? ''
    expect(command).not.toMatch(/touch|\$\(/)
    await page.getByLabel('Resource group').fill("a'; touch /tmp/x #")
    await expect
      .poll(() => page.getByLabel('Azure CLI', { exact: true }).textContent())
      .toContain(String.raw`-g 'a'\''; touch /tmp/x #'`)
    await page.getByLabel('Resource group').fill('${file("/etc/passwd")}" %{if x}')
    await expect
      .poll(() => page.getByLabel('Terraform', { exact: true }).textContent())
      .toContain('"$${file(\\"/etc/passwd\\")}\\" %%{if x}"')
  })

  it('is text in files that somebody sends to be inspected', async () => {
    await page.goto(`${h.portal.origin}/inspector`)
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: markup, [markup]: rightToLeft, [rightToLeft]: markup, sub: long }
    const token = `${part({ alg: 'RS256', kid: markup })}.${part(claims)}.AAAA`
    const file = (name: string): { name: string; mimeType: string; buffer: Buffer } => ({
      name,
      mimeType: 'text/plain',
      buffer: Buffer.from(token),
    })
    await page.getByLabel(/or drop files here/).setInputFiles([file(`${markup}.jwt`), file(`${rightToLeft}.jwt`)])
    await page.getByRole('region', { name: 'Verdict' }).waitFor()
    await expect.poll(async () => await missing([markup, rightToLeft, long, `${rightToLeft}.jwt`])).toEqual([])
    await expectText(page)
  })

  it('is text in the name of anyone who is signed in', async () => {
    for (const displayName of [markup, rightToLeft, long.slice(0, 256)]) {
      const { appId, id } = await graph<{ appId: string; id: string }>(h, 'applications', { displayName })
      await graph(h, 'servicePrincipals', { appId })
      const { secretText } = await graph<{ secretText: string }>(h, `applications/${id}/addPassword`, {})
      const other = await (await h.portal.context({ viewport: { width: 360, height: 720 } })).newPage()
      await other.goto(h.portal.origin)
      await other.getByText('As an application').click()
      await other.getByLabel('Application (client) id').fill(appId)
      await other.getByLabel('Client secret').fill(secretText)
      await other.getByRole('button', { name: 'Sign in as this application' }).click()
      await other.getByText(visibleText(displayName), { exact: true }).waitFor()
      await expectText(other)
      expect(
        await other.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      ).toBe(0)
    }
  })

  it('would be found as more than text: planted', async () => {
    await page.goto(h.portal.origin + machinePage())
    await page.getByText('What it is').waitFor()
    const plant = async (how: 'element' | 'mark' | 'script'): Promise<string[]> => {
      await page.evaluate(
        ([kind, text]) => {
          const place = document.querySelector('main h1')!
          if (kind === 'element') place.append(document.createElement('img'))
          if (kind === 'mark') place.append(text!, ' and more')
          if (kind === 'script') Object.assign(globalThis, { hacked: 1 })
        },
        [how, rightToLeft] as const,
      )
      return await faultsOf(page)
    }
    expect(await faultsOf(page)).toEqual([])
    expect(await plant('element')).toEqual(['an element of others: <img>'])
    expect(await plant('mark')).toContainEqual(expect.stringMatching(/^a mark of direction reaches further: <h1>/))
    expect(await plant('script')).toContain('a script of others ran')
  })
})
