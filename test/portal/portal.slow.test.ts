import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible } from './support/accessible.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'
import { isFramed, keptByBrowser, tokenForm, writeMarkup, writeScript } from './support/safety.ts'

describe.skipIf(!chromiumIsInstalled)('the portal', { timeout: 300_000 }, () => {
  let portal: PortalTest
  let page: Page

  beforeAll(async () => {
    portal = await PortalTest.open()
    page = await portal.signedIn()
  }, 300_000)
  afterAll(async () => await portal?.close())

  it('signs the owner in by the address that the command prints, once', async () => {
    const address = await portal.address()
    const first = await (await portal.context()).newPage()
    await first.goto(address)
    await first.getByRole('heading', { name: 'Machines' }).waitFor()
    expect(first.url()).toBe(`${portal.origin}/`)
    const second = await (await portal.context()).newPage()
    await second.goto(address)
    await second.getByRole('heading', { name: 'Sign in to Strongroom' }).waitFor()
    await expect.poll(() => second.getByRole('alert').textContent()).toContain('AADSTS50058')
  })

  it('stays signed in when it is loaded again, and shows nothing of it to scripts, storage or other ports', async () => {
    await page.reload()
    await page.getByRole('heading', { name: 'Machines' }).waitFor()
    const kept = await keptByBrowser(page)
    expect(kept).not.toMatch(tokenForm)
    expect(await page.evaluate(() => [sessionStorage.length, document.cookie])).toEqual([0, ''])
    const [cookie] = await page.context().cookies(`${portal.origin}/-/login.strongroom.internal/`)
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/-/login.strongroom.internal/' })
  })

  it('stays signed in where the first answer is lost: it asks again', async () => {
    let lost = 0
    const authorize = '**/oauth2/v2.0/authorize'
    await page.route(authorize, async (route) => (lost++ < 2 ? await route.abort() : await route.continue()))
    await page.reload()
    await page.getByRole('heading', { name: 'Machines' }).waitFor()
    expect(lost).toBe(3)
    await page.unroute(authorize)
  })

  it('asks no other origin for anything, and breaks its own rules nowhere', async () => {
    await page.goto(`${portal.origin}/`)
    await page.getByRole('heading', { name: 'Machines' }).waitFor()
    const others = portal.requested.filter((url) => new URL(url).origin !== portal.origin)
    expect(others).toEqual([])
    expect(portal.requested.length).toBeGreaterThan(5)
    expect(portal.faults.filter((text) => /Content Security Policy|Trusted/.test(text))).toEqual([])
  })

  it('runs no script and no style that is written into the page, and lets no page frame it', async () => {
    const { headers } = await fetch(`${portal.origin}/machines/a/b`).then(({ headers: all }) => ({ headers: all }))
    const policy = headers.get('content-security-policy') ?? ''
    for (const part of ["default-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"])
      expect(policy).toContain(part)
    expect(policy).not.toMatch(/unsafe|data:|\*/)
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(await writeScript(page)).toBe('trusted types')
    expect(await writeMarkup(page)).toBe('trusted types')
    expect(await isFramed(await (await portal.context()).newPage(), portal.origin)).toBe(false)
  })

  /** The portal without some headers, as a faulty server would send it, for a visitor without a session. */
  const without = async (...names: string[]): Promise<Page> => {
    const context = await portal.context()
    await context.route(`${portal.origin}/`, async (route) => {
      const response = await route.fetch()
      const headers = Object.entries(response.headers()).filter(([name]) => !names.includes(name))
      await route.fulfill({ response, headers: Object.fromEntries(headers) })
    })
    const bare = await context.newPage()
    await bare.goto(portal.origin)
    await bare.getByRole('heading', { name: 'Sign in to Strongroom' }).waitFor()
    return bare
  }

  it('would be found to run, ask, keep or be framed where its rules are gone: planted', async () => {
    const bare = await without('content-security-policy')
    expect(await writeScript(bare)).toBe('ran')
    expect(await writeMarkup(bare)).toBe('became markup')
    const others = (): string[] => portal.requested.filter((url) => url.startsWith('https://other.example'))
    const call = async (from: Page): Promise<string> =>
      await from.evaluate(async () => await fetch('https://other.example/').then(() => 'answered', String))
    const before = portal.faults.length
    // With the policy, the request never leaves; without it, the request goes out, to a name that does not exist.
    await call(page)
    expect(portal.faults.slice(before).join()).toContain('Content Security Policy')
    expect(others()).toEqual([])
    await call(bare)
    expect(others()).toEqual(['https://other.example/'])
    portal.requested.splice(0, portal.requested.length, ...portal.requested.filter((url) => !others().includes(url)))
    portal.faults.splice(before)
    // Two headers keep other pages from framing it; each alone is enough.
    expect(await isFramed(bare, portal.origin)).toBe(false)
    const open = await without('content-security-policy', 'x-frame-options')
    expect(await isFramed(open, portal.origin)).toBe(true)
    await bare.goto(portal.origin)
    const token = `eyJ${'a'.repeat(40)}`
    for (const place of ['localStorage', 'sessionStorage', 'cookie'] as const) {
      await bare.evaluate(
        ([where, text]) => {
          if (where === 'cookie') document.cookie = `t=${text}`
          else globalThis[where as 'localStorage'].setItem('t', text)
        },
        [place, token] as const,
      )
      expect(await keptByBrowser(bare), place).toMatch(tokenForm)
      await bare.evaluate(() => {
        localStorage.clear()
        sessionStorage.clear()
      })
    }
  })

  it('lets no page of another site ask or change anything through it', async () => {
    const path = '/-/login.strongroom.internal/organizations/oauth2/v2.0/authorize'
    const foreign = await (await portal.context()).newPage()
    await foreign.goto(`http://127.0.0.1:${portal.installation.ports.local}/health`)
    const refused = await foreign.evaluate(
      async (url) => await fetch(url, { method: 'POST', mode: 'no-cors', body: 'x' }).then((r) => r.type, String),
      portal.origin + path,
    )
    // Another origin cannot read any answer.
    expect(refused).toMatch(/opaque|TypeError/)
    const ask = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(portal.origin + path, { method: 'POST', headers })).status
    expect(await ask({ 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await ask({ 'sec-fetch-site': 'same-site' })).toBe(403)
    expect(await ask({ origin: 'https://evil.example' })).toBe(403)
    expect(await ask({ origin: portal.origin })).not.toBe(403)
  })

  it('leads to the services that clients use, and to no other name', async () => {
    const status = async (host: string): Promise<number> => (await fetch(`${portal.origin}/-/${host}/x`)).status
    expect(await status('management.strongroom.internal')).toBe(401)
    for (const host of ['machine.strongroom.internal', 'keyvault.strongroom.internal', 'localhost', 'evil.example', ''])
      expect(await status(host), host).toBe(404)
  })

  it('loads at most 110 KiB of compressed script before the first list is shown', async () => {
    const fresh = await portal.context()
    const list = await fresh.newPage()
    let bytes = 0
    list.on('response', (response) => {
      if (!response.url().endsWith('.js')) return
      bytes += Number(response.headers()['content-length'] ?? Number.NaN)
      expect(response.headers()['content-encoding']).toBe('gzip')
    })
    await portal.signedIn('/', fresh)
    await list.goto(`${portal.origin}/`)
    await list.getByRole('heading', { name: 'Machines' }).waitFor()
    process.stdout.write(`Script before the first list: ${bytes} bytes compressed\n`)
    expect(bytes).toBeGreaterThan(5_000)
    expect(bytes).toBeLessThanOrEqual(110 * 1024)
  })

  it('inspects evidence for whoever is not signed in, by code that no other page loads', async () => {
    const anyone = await (await portal.context()).newPage()
    const verifier = (): string[] => portal.requested.filter((url) => /\/inspect-[A-Z0-9]+\.js$/.test(url))
    expect(verifier()).toEqual([])
    const before = portal.faults.length
    await anyone.goto(`${portal.origin}/inspector`)
    await anyone
      .getByRole('textbox', { name: /^Paste/ })
      .fill('eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJtZSJ9.AAAA')
    await anyone.getByRole('button', { name: 'Inspect the text' }).click()
    await anyone.getByRole('region', { name: 'Verdict' }).waitFor()
    expect(verifier()).toHaveLength(1)
    expect(await anyone.getByRole('table').textContent()).toContain('iss')
    expect(portal.faults.slice(before)).toEqual([])
    await expectAccessible(anyone)
  })

  it('is accessible before and after the sign-in, in light, dark and forced colours', async () => {
    const out = await (await portal.context()).newPage()
    await out.goto(`${portal.origin}/`)
    await out.getByRole('heading', { name: 'Sign in to Strongroom' }).waitFor()
    await expectAccessible(out)
    await page.goto(`${portal.origin}/`)
    await page.getByText('No machine yet').waitFor()
    await expectAccessible(page)
  })

  it('says that the server does not answer, and comes back with it', async () => {
    await page.goto(`${portal.origin}/`)
    await page.getByRole('heading', { name: 'Machines' }).waitFor()
    await portal.installation.stop()
    await page.getByText('The server has not answered since').waitFor()
    await portal.installation.start({}, ['--compute', 'simulated'])
    await page.getByText('The server has not answered since').waitFor({ state: 'hidden' })
    expect(await page.getByRole('alert').count()).toBe(0)
  })
})
