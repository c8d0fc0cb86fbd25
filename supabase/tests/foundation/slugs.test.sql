begin;
select plan(6);

select is(private.slugify('Linux Terminal'), 'linux-terminal', 'words are joined by hyphens in lower case');
select is(private.slugify('Köşe  Yazarı!'), 'kose-yazari', 'accents are dropped, other signs become one hyphen');
select is(private.slugify('--a--'), 'a', 'no hyphen stands at either end');
select is(private.slugify('面试官'), '', 'a label without Latin letters gives an empty slug');
select is(length(private.slugify(repeat('abcd ', 100))), 99, 'a slug of a long label is cut and keeps no hyphen at its end');
select is(private.slugify(null), null, 'no label, no slug');

select * from finish();
rollback;
