/** What the linter asks for: typescript-eslint's strictest type-checked sets, and the sizes of the house rules. */
import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import jest from 'eslint-plugin-jest';
import tseslint from 'typescript-eslint';

const SPECS = ['**/*.spec.ts'];
const ASSERTIONS = [
  'expect',
  'expect*',
  'fc.assert',
  'assert*',
  'waitFor',
  'ledgerBecomes',
  'wholeAgain',
  'nothingUnsettled',
];
const lines = (max) => ['error', { max, skipBlankLines: true, skipComments: true }];

const NODE_GLOBALS = Object.fromEntries(
  [
    'AbortController',
    'AbortSignal',
    'Buffer',
    'clearInterval',
    'clearTimeout',
    'console',
    'fetch',
    'process',
    'setImmediate',
    'setInterval',
    'setTimeout',
    'URL',
  ].map((name) => [name, 'readonly']),
);

export default defineConfig(
  {
    ignores: [
      'dist/',
      'libs/*/dist/',
      'coverage/',
      '.sekali/',
      '**/node_modules/',
      'libs/local-cluster/native/',
      'apps/dashboard/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  eslint.configs.recommended,
  {
    files: ['**/*.{mjs,js,cjs}'],
    languageOptions: { globals: NODE_GLOBALS },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': lines(300),
      'max-lines-per-function': lines(50),
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      // A number in a message is what the reader wants to see.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Nest's modules are classes that hold nothing but their decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // Nest declares its options as classes and means object literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Arrow functions hand on what a call returns, even nothing; loops without end are written `for (;;)`.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `noPropertyAccessFromIndexSignature` style, body['topic'], says that the name comes from outside.
      '@typescript-eslint/dot-notation': 'off',
      // Contradicts `consistent-type-assertions` where an array is known to be long enough.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
    },
  },
  {
    files: SPECS,
    extends: [jest.configs['flat/recommended'], jest.configs['flat/style']],
    rules: {
      'max-lines': lines(600),
      // A `describe` is a function too, and holds a whole file.
      'max-lines-per-function': 'off',
      'jest/no-disabled-tests': 'error',
      'jest/no-focused-tests': 'error',
      'jest/no-commented-out-tests': 'error',
      // A property of fast-check asserts inside; the rest are the specs' own checks, which expect or fail at a deadline.
      'jest/expect-expect': ['error', { assertFunctionNames: ASSERTIONS }],
      // Under ESM the globals are imported.
      'jest/prefer-importing-jest-globals': 'error',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  prettier,
);
