import type { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { onBehalfOfHeader } from '@strongroom/contract'
import type { Resource } from '../store/resources.ts'
import { onBehalfOfHeaders, onBehalfOf } from './on-behalf-of.ts'
import { faqLink, faqRule, faqRules, type FaqRuleId, faqPage, htmlOf } from './faq-rule.ts'
import { Fields, refuse } from './fields.ts'
import { findRegion, locationKey, regions, requireLocation } from './regions.ts'
import { ok, param, requireApiVersion, type ArmRequest } from './request.ts'
import { resourceView } from './resource-view.ts'

describe('the api-version of a request', () => {
  const refusal = (version: string | undefined): unknown => {
    try {
      requireApiVersion(version === undefined ? {} : { 'api-version': version })
      return 'taken'
    } catch (error) {
      const { status, code, found } = error as ServiceError
      return [status, code, found]
    }
  }

  it.each(['2015-06-15', '2026-12-31', '2018-05-01-preview', '2018-05-01-alpha', '2018-05-01-beta'])(
    'is any date: %s',
    (version) => {
      expect(refusal(version)).toBe('taken')
    },
  )

  it.each(['latest', '2024-13', 'x2024-11-01', '2024-11-01x', '2024-11-01-rc', '24-11-01', '2024-1-1', '2024-11-01\n'])(
    'is no other text: %s',
    (version) => {
      expect(refusal(version)).toEqual([400, 'InvalidApiVersionParameter', version])
    },
  )

  it('has to be there', () => {
    for (const version of [undefined, ''])
      expect(refusal(version)).toEqual([400, 'MissingApiVersionParameter', undefined])
    expect(refusal('x'.repeat(60))).toEqual([400, 'InvalidApiVersionParameter', 'x'.repeat(40)])
  })
})

describe('parameters of a path', () => {
  it('are those of its route', () => {
    const request = { params: { name: 'a', empty: '' } } as unknown as ArmRequest
    expect([param(request, 'name'), param(request, 'empty')]).toEqual(['a', ''])
    expect(() => param(request, 'other')).toThrow(TypeError)
    expect(ok({ a: 1 })).toEqual({ status: 200, body: { a: 1 } })
  })
})

describe('regions', () => {
  it('are found by name, however it is written', () => {
    expect([locationKey('West Europe'), locationKey(' WEST  EUROPE ')]).toEqual(['westeurope', 'westeurope'])
    expect(findRegion('West Europe')?.name).toBe('westeurope')
    expect([findRegion('west-europe'), findRegion('')]).toEqual([undefined, undefined])
    expect(regions.length).toBeGreaterThan(5)
  })

  it('are asked for, and the refusal names them all and the rule', () => {
    const asked = (location: string): [string, object | undefined] => {
      const fields = new Fields({})
      const read = requireLocation(fields, location)
      const [problem] = fields.problems
      return [read, problem && { ...problem, status: refuse(fields.problems).status }]
    }
    const all = regions.map(({ name }) => name).join(', ')
    expect(asked('West Europe')).toEqual(['westeurope', undefined])
    expect(asked('')).toEqual([
      '',
      expect.objectContaining({ code: 'LocationRequired', status: 400, target: 'location', expected: all, found: '' }),
    ])
    expect(asked('')[1]).not.toHaveProperty('rule')
    const [given, problem] = asked('m'.repeat(70))
    expect(given).toHaveLength(70)
    expect(problem).toMatchObject({
      code: 'LocationNotAvailableForResourceType',
      status: 400,
      target: 'location',
      expected: all,
      found: 'm'.repeat(60),
      rule: 'S24',
    })
    expect((problem as { message: string }).message).toContain(`'${regions.map(({ name }) => name).join(',')}'`)
  })
})

describe('a resource', () => {
  const resource = {
    id: '/r/a',
    name: 'a',
    location: '',
    etag: 'e',
    body: { properties: { b: 1 } },
  } as unknown as Resource
  it('is shown with what it has, and nothing that it has not', () => {
    expect(resourceView(resource, 'T')).toStrictEqual({
      name: 'a',
      id: '/r/a',
      type: 'T',
      etag: 'W/"e"',
      properties: { b: 1 },
    })
    const more = { tags: { t: '1' }, sku: { name: 's' }, zones: ['1'], identity: { type: 'i' } }
    const whole = { ...resource, location: 'westeurope', body: { ...resource.body, ...more } } as unknown as Resource
    expect(resourceView(whole, 'T')).toMatchObject({ location: 'westeurope', ...more })
  })
})

describe('who asked', () => {
  it('is named to the key service, or nobody is', () => {
    const caller = { objectId: 'o', appId: 'a', tenantId: 't', claims: {} }
    expect(onBehalfOf({ caller })).toEqual({ objectId: 'o', appId: 'a' })
    expect(onBehalfOfHeaders(undefined)).toEqual({})
    expect(Object.keys(onBehalfOfHeaders({ objectId: 'o', appId: 'a' }))).toEqual([onBehalfOfHeader])
    expect(onBehalfOfHeaders({ objectId: 'o', appId: 'a' })[onBehalfOfHeader]).toMatch(/o.*a|a.*o/)
  })
})

describe('rules of the FAQ', () => {
  it('are headings that can be linked to, and no text becomes markup', () => {
    const markdown =
      '# The <FAQ>\nIntro & more\n\n## S1 Is it <b>?\nYes & no\nat once\n\n## S2 Alone\n\nA ## S3 within\n\n\n plain \n'
    const body = htmlOf(markdown).split('</title>\n')[1]
    expect(body).toBe(
      [
        '<h1>The &lt;FAQ&gt;</h1>',
        '<p>Intro &amp; more</p>',
        '<h2 id="s1">S1 Is it &lt;b&gt;?</h2>',
        '<p>Yes &amp; no',
        'at once</p>',
        '<h2 id="s2">S2 Alone</h2>',
        '<p>A ## S3 within</p>',
        '<p>plain</p>',
        '</html>',
        '',
      ].join('\n'),
    )
  })

  it('are cited with their sentence and a link to a heading that is there', async () => {
    const page = await faqPage()
    for (const rule of Object.keys(faqRules) as FaqRuleId[]) {
      expect(faqRule(rule)).toEqual({
        code: 'FaqRule',
        target: rule,
        message: `${rule}: ${faqRules[rule]} See ${faqLink(rule)}`,
      })
      expect(faqLink(rule)).toBe(`https://management.strongroom.internal/docs/faq#${rule.toLowerCase()}`)
      expect(page).toContain(`<h2 id="${rule.toLowerCase()}">${rule}`)
    }
    expect(page).toMatch(/^<!doctype html>/)
    expect(page.match(/<h1>/g)).toHaveLength(1)
    expect(page).not.toMatch(/## S\d|<h1>#|<p>\s*<\/p>/)
    // No text is interpreted as markup.
    const text = page.replaceAll(/<\/?(?:html|h1|h2|p|title)\b[^>]*>|<meta[^>]*>|<!doctype html>/g, '')
    expect(text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/)
  })
})
